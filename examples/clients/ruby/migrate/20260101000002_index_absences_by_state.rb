# An index that is built beside the application's work.
class IndexAbsencesByState < ActiveRecord::Migration[6.1]
  disable_ddl_transaction!

  def change
    add_index :absences, %i[tenant_id state], algorithm: :concurrently
  end
end
