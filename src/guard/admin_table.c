/*
 * admin_table.c - the administrative sessions of all backends, for those who approve and watch them.
 *
 * Called by the other files of administrators' work.  Each backend has one slot, by its number; it alone fills and
 * empties it, and who approves or refuses changes its state.  TOMS_LOCK_ADMIN guards all; it is held
 * for copying only.
 */
#include "guard/admin.h"

#include "base/compat.h"
#include "base/lock.h"
#include "miscadmin.h"
#include "storage/shmem.h"

static TomsAdminSlot *slots = NULL;

/* Numbers begin with 1 until 16 and with 0 since 17. */
int
toms_admin_slots(void)
{
	return MaxBackends + 1;
}

Size
toms_admin_shmem_size(void)
{
	return mul_size(sizeof(TomsAdminSlot), toms_admin_slots());
}

void
toms_admin_shmem_init(void)
{
	bool		found;

	slots = ShmemInitStruct("toms administrative sessions", toms_admin_shmem_size(), &found);
	if (!found)
		memset(slots, 0, toms_admin_shmem_size());
}

static TomsAdminSlot *
mine(void)
{
	int			number = toms_process_number();

	return number >= 0 && number < toms_admin_slots() ? &slots[number] : NULL;
}

void
toms_admin_publish(const TomsAdminSlot *slot)
{
	TomsAdminSlot *place = mine();

	if (place == NULL)
		return;
	LWLockAcquire(toms_lock(TOMS_LOCK_ADMIN), LW_EXCLUSIVE);
	*place = *slot;
	LWLockRelease(toms_lock(TOMS_LOCK_ADMIN));
}

void
toms_admin_unpublish(void)
{
	TomsAdminSlot nothing = {0};

	toms_admin_publish(&nothing);
}

bool
toms_admin_slot(int i, TomsAdminSlot *slot)
{
	LWLockAcquire(toms_lock(TOMS_LOCK_ADMIN), LW_SHARED);
	*slot = slots[i];
	LWLockRelease(toms_lock(TOMS_LOCK_ADMIN));
	return slot->pid != 0;
}

TomsAdminSlot
toms_admin_published(void)
{
	TomsAdminSlot slot = {0};

	if (mine())
		(void) toms_admin_slot(mine() - slots, &slot);
	return slot;
}

bool
toms_admin_is_open_in(pid_t pid)
{
	bool		found = false;

	LWLockAcquire(toms_lock(TOMS_LOCK_ADMIN), LW_SHARED);
	for (int i = 0; i < toms_admin_slots() && !found; i++)
		found = slots[i].pid == pid && slots[i].kind != TOMS_ADMIN_BY_REASON && slots[i].state == TOMS_ADMIN_OPEN;
	LWLockRelease(toms_lock(TOMS_LOCK_ADMIN));
	return found;
}

/* Whom "id" is asked for; pid 0: nobody. */
TomsAdminSlot
toms_admin_asked(int64 id)
{
	TomsAdminSlot slot = {0};

	for (int i = 0; i < toms_admin_slots(); i++)
	{
		if (toms_admin_slot(i, &slot) && slot.id == id && slot.state == TOMS_ADMIN_ASKED)
			return slot;
	}
	return (TomsAdminSlot) {0};
}

bool
toms_admin_answer(int64 id, TomsAdminState state, const char *by, TimestampTz until)
{
	bool		found = false;

	LWLockAcquire(toms_lock(TOMS_LOCK_ADMIN), LW_EXCLUSIVE);
	for (int i = 0; i < toms_admin_slots() && !found; i++)
	{
		if (slots[i].pid == 0 || slots[i].id != id || slots[i].state != TOMS_ADMIN_ASKED)
			continue;
		slots[i].state = state;
		slots[i].until = until;
		strlcpy(slots[i].approved_by, by, NAMEDATALEN);
		found = true;
	}
	LWLockRelease(toms_lock(TOMS_LOCK_ADMIN));
	return found;
}
