# For the application's own tests, on a server whose toms.environment is "test": a test runs in one
# transaction, which is rolled back, and in which toms.enter() may go from tenant to tenant. The
# log-in of the tests is named in toms.allow_enter(); it needs no tokens.
require_relative 'report'
require 'active_record/fixtures'
require 'minitest/autorun'

# Fixtures are of all tenants: they are loaded once, by the log-in of migrations.
log_in('deploy', variables: { 'toms.reason' => 'test fixtures' })
ActiveRecord::Base.connection.truncate_tables('absences', 'employees')
ActiveRecord::FixtureSet.create_fixtures("#{__dir__}/fixtures", %w[employees absences])
log_in('app_test')

# As in the application, a context ends with the block.
def Toms.in_context(tenant:, subject: '17', role: 'hr', purpose: 'absence_management')
  ActiveRecord::Base.transaction do
    call(ActiveRecord::Base.connection, 'SELECT FROM toms.enter(tenant => $1, subject => $2, role => $3, purpose => $4)',
         tenant, subject, role, purpose)
    yield.tap { ActiveRecord::Base.connection.execute('SELECT FROM toms.leave()') }
  end
end

class ApplicationTest < ActiveSupport::TestCase
  include ActiveRecord::TestFixtures
  self.use_transactional_tests = true
end
