# One context per transaction for ActiveRecord, from version 6.1.
require 'active_record'

module Toms
  # Runs the block in a transaction that acts in the context of the token.
  def self.in_context(token)
    connection = ActiveRecord::Base.connection
    ActiveRecord::Base.transaction do
      call(connection, "SELECT set_config('toms.token', $1, true)", token)
      connection.clear_query_cache # its answers may be another tenant's
      yield
    end
  ensure
    connection&.clear_query_cache
  end

  # Statements of the name SCHEMA are not logged, and the token with them.
  def self.call(connection, sql, *texts)
    binds = texts.map { |text| ActiveRecord::Relation::QueryAttribute.new('toms', text, ActiveModel::Type::String.new) }
    connection.exec_query(sql, 'SCHEMA', binds)
  end

  # The reason code of a refusal, nil if an error is none: it stands in the field that names a constraint.
  def self.code(error)
    error = error.cause until error.nil? || error.is_a?(PG::Error)
    error&.result&.error_field(PG::PG_DIAG_CONSTRAINT_NAME)&.then { |name| name if name.start_with?('toms_') }
  end

  # What the application does about it.
  def self.action(error)
    case code(error)
    when nil then nil
    when 'toms_context_expired', 'toms_token_replayed' then :renew
    when 'toms_tenant_unknown', 'toms_tenant_ended', 'toms_permission_missing', 'toms_verb_not_permitted',
         'toms_purpose_not_permitted', 'toms_row_other_tenant', 'toms_row_other_subject' then :forbidden
    when 'toms_mfa_required' then :second_factor
    else :bug # ours, the minter's or the administrator's: log it, the hint says what to do
    end
  end
end
