# The application of the checks: employees and their absences, of all tenants. The column tenant_id
# is filled by its default, toms.current_tenant().
class Employee < ActiveRecord::Base
  has_many :absences
end

class Absence < ActiveRecord::Base
  belongs_to :employee
end
