# What the programs beside it need: connections, and a line "ok - …" or "not ok - …" for each check.
# test/t/client_ruby.pl runs them, and passes connections and tokens in the environment.
require_relative 'toms'
require_relative 'models'
require 'logger'
require 'stringio'

$stdout.sync = true

ACME, GLOBEX = ENV.values_at('ACME', 'GLOBEX')

def log_in(user, **options)
  ActiveRecord::Base.establish_connection(
    { adapter: 'postgresql', host: ENV['PGHOST'], port: ENV['PGPORT'], database: 'postgres',
      username: user, pool: 1, checkout_timeout: 5, min_messages: 'warning' }.merge(options))
end

def report(good, what)
  puts "#{good ? 'ok' : 'not ok'} - #{what}"
  good
end

def is(found, expected, what)
  report(found == expected, what) or puts "# found #{found.inspect}, expected #{expected.inspect}"
end

# The block must be refused with this code, by the exception that ActiveRecord makes of it.
def refused(code, what, action: :bug)
  found = yield
  report(false, what)
  puts "# not refused, but #{found.inspect}"
rescue StandardError => e
  error = e
  error = error.cause until error.nil? || error.is_a?(ActiveRecord::StatementInvalid)
  report(error && Toms.code(e) == code && Toms.action(e) == action, what) or
    puts "# found #{Toms.code(e).inspect} #{Toms.action(e).inspect} #{e.class}: #{e.message}"
  e
end

def value(sql)
  ActiveRecord::Base.connection.select_value(sql)
end

def server
  value('SELECT pg_backend_pid()')
end

# Tenants and number of the rows that are seen.
def seen
  Absence.group(:tenant_id).count
end
