# Tests of an application, with fixtures and in transactions; run by test/t/client_ruby.pl.
require_relative 'test_helper'

class AbsenceTest < ApplicationTest
  # each of them finds the fixtures, whatever the one before has done
  %w[first second].each do |name|
    test "#{name}: a tenant creates and deletes rows of its own" do
      Toms.in_context(tenant: 'acme') do
        assert_equal 2, Absence.count
        assert_equal 'acme', Absence.create!(employee_id: 17, day: '2026-02-02', state: 'whole').reload.tenant_id
        assert_equal 3, Absence.where('true').delete_all
      end
    end
  end

  test 'tenants take turns within the transaction of a test' do
    created = Toms.in_context(tenant: 'acme') { Absence.create!(employee_id: 17, day: '2026-02-02', state: 'whole') }
    assert_equal %w[globex], Toms.in_context(tenant: 'globex') { Absence.pluck(:tenant_id) }
    assert_nil(Toms.in_context(tenant: 'globex') { Absence.find_by(id: created.id) })
    assert_equal 3, Toms.in_context(tenant: 'acme') { Absence.count }
  end

  test 'a read outside of a context is refused' do
    Toms.in_context(tenant: 'acme') { Absence.count }
    error = assert_raises(ActiveRecord::StatementInvalid) { Absence.transaction(requires_new: true) { Absence.count } }
    assert_equal :bug, Toms.action(error)
  end

  test 'a refusal leaves the transaction of the test as it was' do
    error = assert_raises(ActiveRecord::StatementInvalid) do
      Toms.in_context(tenant: 'globex') { Absence.create!(tenant_id: 'acme', employee_id: 17, day: '2026-02-02', state: 'whole') }
    end
    assert_equal 'toms_row_other_tenant', Toms.code(error)
    assert_equal 2, Toms.in_context(tenant: 'acme') { Absence.count }
  end
end
