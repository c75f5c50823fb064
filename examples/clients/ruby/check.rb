# Tries Toms.in_context with ActiveRecord, as the application's log-in.
require_relative 'report'

def contexts
  is(Toms.in_context(ACME) { seen }, { 'acme' => 3 }, 'a transaction has the rows of its token\'s tenant')
  of_acme = Toms.in_context(ACME) { server }
  e = refused('toms_context_ended', 'reads outside of a transaction are refused') { seen }
  is([e.class, e.cause.class], [ActiveRecord::StatementInvalid, PG::InvalidAuthorizationSpecification], '... as StatementInvalid')
  refused('toms_context_ended', '... also in a transaction that sets no token') { ActiveRecord::Base.transaction { seen } }
  is(Toms.in_context(GLOBEX) { seen }, { 'globex' => 2 }, 'the next transaction has the rows of another tenant')
  is(Toms.in_context(GLOBEX) { server }, of_acme, '... on the same connection')
  begin
    Toms.in_context(ACME) { raise 'something' }
  rescue RuntimeError
    refused('toms_context_ended', 'an error in the block ends the context too') { seen }
  end
  refused('toms_context_swapped', 'no second tenant within a transaction') { Toms.in_context(ACME) { Toms.in_context(GLOBEX) { seen } } }
  is(Toms.in_context(ACME) { Toms.in_context(ACME) { seen } }, { 'acme' => 3 }, '... but one context within the other of the same tenant')
  is(Toms.in_context(ACME) { [rolled_back { Absence.where('true').update_all(hours: 1) }, seen, Absence.sum(:hours)] }, [nil, { 'acme' => 3 }, 24],
     'a savepoint that is rolled back leaves the context')
end

def rolled_back
  Absence.transaction(requires_new: true) do
    yield
    raise ActiveRecord::Rollback
  end
end

def reads
  is(Toms.in_context(ACME) { Absence.where(hours: 8).order(:id).pluck(:tenant_id) }, %w[acme acme acme], 'where, pluck')
  is(Toms.in_context(ACME) { Absence.find_each(batch_size: 1).map(&:tenant_id) }, %w[acme acme acme], 'find_each stays with its tenant')
  is(Toms.in_context(GLOBEX) { Employee.includes(:absences).map { |each| each.absences.size } }, [1, 1], 'includes')
  is(Toms.in_context(GLOBEX) { Employee.joins(:absences).distinct.count }, 2, 'joins')
  of_acme = Toms.in_context(ACME) { Absence.minimum(:id) }
  is(Toms.in_context(GLOBEX) { Absence.find_by(id: of_acme) }, nil, 'find_by does not find a row of another tenant')
  is(Toms.in_context(GLOBEX) { Absence.exists?(of_acme) }, false, '... nor does exists?')
  is(Toms.in_context(ACME) { Absence.find(of_acme).with_lock { |*| 'locked' } }, 'locked', 'with_lock')
  lazy = Toms.in_context(ACME) { Absence.where(hours: 8) }
  refused('toms_context_ended', 'a relation that is read after the block is refused') { lazy.to_a }
end

def writes
  created = Toms.in_context(ACME) { Absence.create!(employee_id: 17, day: '2026-03-03', hours: 2) }
  report(created.id, 'create! brings the key')
  is(Toms.in_context(ACME) { created.reload.tenant_id }, 'acme', '... of a row of the tenant')
  is(Toms.in_context(GLOBEX) { Absence.where(id: created.id).update_all(hours: 3) }, 0, 'update_all does not reach a row of another tenant')
  is(Toms.in_context(ACME) { Absence.where('true').update_all('hours = hours + 0') }, 4, '... and where all are meant those of the tenant')
  is(Toms.in_context(ACME) { created.destroy!.destroyed? }, true, 'destroy!')
  row = { employee_id: 17, day: '2026-03-04', hours: 2 }
  is(Toms.in_context(ACME) { Absence.insert_all([row, row.merge(day: '2026-03-05')]).length }, 2, 'insert_all')
  change = -> { Absence.upsert_all([row.merge(hours: 3)], unique_by: %i[tenant_id employee_id day]) }
  is(Toms.in_context(ACME) { change.call; Absence.where(day: '2026-03-04').pluck(:tenant_id, :hours) }, [['acme', 3]], 'upsert_all updates')
  is(Toms.in_context(ACME) { Absence.where('day > ?', '2026-03-01').delete_all }, 2, 'delete_all')
  is([Toms.in_context(ACME) { seen }, Toms.in_context(GLOBEX) { seen }], [{ 'acme' => 3 }, { 'globex' => 2 }], 'each tenant has what it had')
end

def refusals
  before = Toms.in_context(ACME) { server }
  refused('toms_row_other_tenant', 'a row for another tenant', action: :forbidden) do
    Toms.in_context(ACME) { Absence.create!(tenant_id: 'globex', employee_id: 4, day: '2026-03-03') }
  end
  refused('toms_row_other_tenant', '... in a batch', action: :forbidden) do
    Toms.in_context(ACME) { Absence.insert_all([{ tenant_id: 'globex', employee_id: 4, day: '2026-03-03' }]) }
  end
  { 'EXPIRED' => ['toms_context_expired', :renew], 'FORGED' => ['toms_token_forged', :bug],
    'UNKNOWN_TENANT' => ['toms_tenant_unknown', :forbidden], 'OTHER_PURPOSE' => ['toms_purpose_not_permitted', :forbidden],
    'PHYSICIAN' => ['toms_mfa_required', :second_factor] }.each do |token, (code, action)|
    refused(code, "#{code} is known by its code: #{action}", action: action) { Toms.in_context(ENV[token]) { seen } }
  end
  refused(nil, 'an error of another kind is none of toms', action: nil) { value('SELECT 1 / 0') }
  refused(nil, '... nor is a constraint of the table', action: nil) { Toms.in_context(ACME) { Absence.where('true').update_all(hours: -1) } }
  is(Toms.in_context(ACME) { server }, before, 'a refusal does not cost the pool its connection')
end

# Rails caches what a request has read.
def query_cache
  ActiveRecord::Base.cache do
    is(Toms.in_context(ACME) { [seen, seen] }, [{ 'acme' => 3 }] * 2, 'with the query cache: one tenant')
    is(Toms.in_context(GLOBEX) { seen }, { 'globex' => 2 }, '... and the next has its own rows')
    refused('toms_context_ended', '... and outside of a context nothing comes from the cache') { seen }
  end
end

def callbacks
  observed = Class.new(Absence) do
    self.table_name = 'absences'
    attr_reader :saved
    after_save { @saved = Absence.count }
    after_commit { Absence.count }
  end
  record = nil
  refused('toms_context_ended', 'after_commit runs after the context: it has to open one of its own') do
    Toms.in_context(ACME) { record = observed.create!(employee_id: 17, day: '2026-03-03') }
  end
  is(record.saved, 4, '... after_save runs within it')
  is(Toms.in_context(ACME) { Absence.delete(record.id) }, 1, '... and the row is stored all the same')
end

def prepared_statements
  %w[auto force_generic_plan force_custom_plan].each do |mode|
    log_in('app', variables: { 'plan_cache_mode' => mode })
    found = (0...20).map { |i| Toms.in_context([ACME, GLOBEX][i % 2]) { Absence.where(hours: 8).order(:id).map(&:tenant_id) } }
    is(found, [%w[acme acme acme], %w[globex globex]] * 10, "one prepared statement gives each of two tenants its rows (#{mode})")
    is(ActiveRecord::Base.connection.select_rows("SELECT count(*), sum(generic_plans + custom_plans) FROM pg_prepared_statements WHERE statement LIKE '%\"hours\" = $1%'"),
       [[1, 20]], '... the same one on the server, 20 times')
  end
end

def threads
  log_in('app', pool: 2)
  answers = Array.new(4) do |n|
    Thread.new do
      token, expected = n.even? ? [ACME, { 'acme' => 3 }] : [GLOBEX, { 'globex' => 2 }]
      Array.new(25) { ActiveRecord::Base.connection_pool.with_connection { Toms.in_context(token) { seen } } == expected }
    end
  end
  is(answers.flat_map(&:value).tally, { true => 100 }, '100 requests of two tenants in four threads on two connections')
  log_in('app')
end

def log
  text = StringIO.new
  ActiveRecord::Base.logger = Logger.new(text)
  Toms.in_context(ACME) { Absence.create!(employee_id: 17, day: '2026-03-03').destroy! }
  begin
    Toms.in_context(ENV['FORGED']) { seen }
  rescue ActiveRecord::StatementInvalid => e
    text.puts(e.full_message)
  end
  ActiveRecord::Base.logger = nil
  report(text.string.include?('INSERT INTO "absences"'), 'statements are in the log')
  report([ACME, ENV['FORGED']].none? { |token| text.string.include?(token[-40..]) }, '... and no token')
end

# What Rails asks at its start, and for db/schema.rb.
def introspection
  log_in('app')
  [Absence, Employee].each(&:reset_column_information)
  is(Absence.column_names, %w[id tenant_id employee_id day hours], 'columns are described without a context')
  is(Absence.primary_key, 'id', '... and the primary key')
  is(Absence.connection.indexes('absences').map(&:columns), [%w[tenant_id employee_id day]], '... and indexes')
  is(Absence.connection.foreign_keys('absences').map(&:to_table), %w[employees], '... and foreign keys')
  is(Absence.columns_hash['tenant_id'].default_function, 'toms.current_tenant()', '... and the tenant\'s default')
  ActiveRecord::SchemaDumper.dump(ActiveRecord::Base.connection, schema = StringIO.new)
  report(schema.string.include?('t.text "tenant_id", default: -> { "toms.current_tenant()" }, null: false'), 'db/schema.rb is written without a context')
  is(schema.string.scan(/create_table "(\w+)"/).flatten, %w[absences employees], '... and holds the application\'s tables alone')
  refused('toms_context_missing', 'a health check that reads a protected table is refused') { seen }
  is(ActiveRecord::Base.connection.active?, true, '... the one of the pool needs no tenant')
  log_in('app_probe')
  Absence.connection.cache do
    is(seen, {}, '... and sees no rows where toms.on_missing_context is empty')
    is(Toms.in_context(ACME) { seen }, { 'acme' => 3 }, '... which the query cache does not pass on to a context')
  end
end

log_in('app')
contexts
reads
writes
refusals
query_cache
callbacks
prepared_statements
threads
log
introspection
puts 'done'
