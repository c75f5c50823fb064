# Migrations, cleaners and dumps with ActiveRecord, as the log-in that owns the tables: it has
# BYPASSRLS and states its reason in the variables of its connection.
require_relative 'report'

ActiveRecord::Migration.verbose = false
REASON = { variables: { 'toms.reason' => 'db:migrate' } }.freeze

def migrate
  ActiveRecord::MigrationContext.new("#{__dir__}/migrate", ActiveRecord::SchemaMigration).migrate
end

def columns
  Absence.reset_column_information
  Absence.column_names
end

def migrations
  log_in('owner', **REASON)
  refused('toms_context_missing', 'a migration of an owner without BYPASSRLS is refused, instead of changing no row') { migrate }
  log_in('deploy')
  refused('toms_reason_missing', '... and one that states no reason') { migrate }
  report(!columns.include?('state'), '... and leaves nothing behind')
  log_in('deploy', **REASON)
  migrate
  is(Absence.group(:tenant_id, :state).count, { %w[acme whole] => 3, %w[globex whole] => 2 }, 'with both it changes the rows of all tenants')
  is(Absence.connection.indexes('absences').map(&:columns).sort, [%w[day], %w[tenant_id employee_id day], %w[tenant_id state]], '... and builds its indexes')
  log_in('app')
  is(columns.last, 'state', 'the application has the new column')
  is(Toms.in_context(ACME) { Absence.group(:tenant_id, :state).count }, { %w[acme whole] => 3 }, '... in the rows of its tenant')
  refused('toms_context_ended', '... and needs its context as before') { seen }
end

# db/structure.sql, as rails db:structure:dump writes it with these structure_dump_flags: the audit
# trail has a table for each month, which belongs in no application's schema.
def structure
  log_in('deploy')
  file = ENV['STRUCTURE']
  ActiveRecord::Tasks::PostgreSQLDatabaseTasks.new(ActiveRecord::Base.connection_db_config).structure_dump(file, ['--exclude-table=toms.audit_*'])
  text = File.read(file)
  report(text.include?('CREATE TABLE public.absences'), 'db/structure.sql is written without a reason')
  report(text.match?(/CREATE POLICY toms_\w+ ON public\.absences/), '... and holds the policies')
  report(!text.include?('acme'), '... and no row')
  report(!text.include?('audit_change'), '... nor a table of the audit trail')
end

def cleaners
  log_in('app')
  refused('toms_truncate', 'the application may not truncate') { Toms.in_context(ACME) { Absence.connection.truncate('absences') } }
  refused('toms_context_missing', '... nor delete_all without a context') { log_in('app') && Absence.delete_all }
  log_in('deploy', **REASON)
  gone = nil
  ActiveRecord::Base.transaction do
    gone = Absence.delete_all
    raise ActiveRecord::Rollback
  end
  is(gone, 5, 'delete_all of the migrations\' log-in takes all rows')
  Absence.connection.truncate_tables('absences', 'employees')
  is([Absence.count, Employee.count], [0, 0], 'truncate_tables empties the tables')
end

def database_cleaner
  require 'database_cleaner'
  %i[deletion truncation].each do |strategy|
    Absence.create!(tenant_id: 'acme', employee: Employee.create!(tenant_id: 'acme', name: 'Eve'), day: '2026-02-02', state: 'whole')
    DatabaseCleaner.strategy = strategy, { only: %w[absences employees] } # children first: only superusers switch foreign keys off
    DatabaseCleaner.clean
    is([Absence.count, Employee.count], [0, 0], "DatabaseCleaner's strategy #{strategy}")
  end
rescue LoadError
  puts 'skip - ruby-database-cleaner is not installed'
end

log_in('app')
migrations
structure
cleaners
database_cleaner
puts 'done'
