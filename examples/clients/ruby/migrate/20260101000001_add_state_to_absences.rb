# A migration in one transaction: a column, a backfill of all tenants' rows, an index with a predicate.
class AddStateToAbsences < ActiveRecord::Migration[6.1]
  def up
    add_column :absences, :state, :text
    Absence.reset_column_information
    Absence.in_batches(of: 2).update_all("state = CASE WHEN hours < 8 THEN 'part' ELSE 'whole' END")
    change_column_null :absences, :state, false
    add_index :absences, :day, where: "state = 'part'"
  end
end
