/*
 * session.c - who has a session from where: two addresses at once are worth a word.
 *
 * Called by login.c when somebody has logged in; the session ends itself here when its process does, also when it
 * is terminated.  One place in shared memory for each backend, under TOMS_LOCK_LOGIN.
 */
#include "login/login_int.h"

#include "miscadmin.h"
#include "replication/walsender.h"
#include "storage/ipc.h"
#include "trail/trail.h"
#include "utils/timestamp.h"

typedef struct Session
{
	Oid			role;			/* InvalidOid: none */
	TomsLoginPlace place;
	char		address[TOMS_LOGIN_ADDRESS_BYTES];
	char		database[NAMEDATALEN];
	bool		is_recorded;	/* its end too, and whoever shuts the server down waits for that */
} Session;

static Session *shared = NULL;

/* This one's log-in. */
static TomsLoginRecord own;
static bool own_is_recorded = false;

/* Process numbers begin with 0 or 1, as the version of PostgreSQL has it. */
static int
places(void)
{
	return MaxBackends + 1;
}

Size
toms_login_session_size(void)
{
	return mul_size(places(), sizeof(Session));
}

void
toms_login_session_init(bool found, void *area)
{
	shared = area;
	if (!found)
		memset(area, 0, toms_login_session_size());
}

static Session *
own_place(void)
{
	int			number = toms_process_number();

	return number >= 0 && number < places() ? &shared[number] : NULL;
}

/* A Unix socket, 127.0.0.1 and ::1 are one place. */
static bool
is_this_machine(const TomsLoginPlace *place)
{
	static const uint8 ipv4[8] = {127, 0, 0, 1};
	static const uint8 ipv6[8] = {0};

	return place->family == 0 || memcmp(place->bytes, place->family == 4 ? ipv4 : ipv6, sizeof(ipv4)) == 0;
}

static bool
is_elsewhere(const TomsLoginPlace *one, const TomsLoginPlace *other)
{
	if (is_this_machine(one) && is_this_machine(other))
		return false;
	return memcmp(one, other, sizeof(*one)) != 0;
}

static void
end_session(int code, Datum arg)
{
	TomsLoginRecord record = own;
	Session    *session = own_place();

	record.verb = TOMS_VERB_LOGOUT;
	record.since = record.at;
	record.at = GetCurrentTimestamp();
	record.elsewhere[0] = '\0';
	if (own_is_recorded)
		toms_login_push(&record);
	/* in this order: the writer that sees no session left finds the record */
	LWLockAcquire(toms_lock(TOMS_LOCK_LOGIN), LW_EXCLUSIVE);
	if (session)
		session->role = InvalidOid;
	LWLockRelease(toms_lock(TOMS_LOCK_LOGIN));
}

void
toms_login_session_begin(TomsLoginRecord *record, const TomsLoginPlace *place, bool is_recorded)
{
	Session    *session = own_place();

	LWLockAcquire(toms_lock(TOMS_LOCK_LOGIN), LW_EXCLUSIVE);
	for (int i = 0; i < places(); i++)
	{
		if (shared[i].role == record->role && is_elsewhere(&shared[i].place, place))
			strlcpy(record->elsewhere, shared[i].address, TOMS_LOGIN_ADDRESS_BYTES);
	}
	if (session)
	{
		session->role = record->role;
		session->place = *place;
		strlcpy(session->address, record->address, TOMS_LOGIN_ADDRESS_BYTES);
		strlcpy(session->database, record->database, NAMEDATALEN);
		/* those of replication end after all workers */
		session->is_recorded = is_recorded && !am_walsender;
	}
	LWLockRelease(toms_lock(TOMS_LOCK_LOGIN));
	own = *record;
	own_is_recorded = is_recorded;
	before_shmem_exit(end_session, (Datum) 0);
}

bool
toms_login_sessions_are_left(void)
{
	bool		left = false;

	LWLockAcquire(toms_lock(TOMS_LOCK_LOGIN), LW_SHARED);
	for (int i = 0; i < places() && !left; i++)
		left = OidIsValid(shared[i].role) && shared[i].is_recorded && toms_login_is_ours(shared[i].database);
	LWLockRelease(toms_lock(TOMS_LOCK_LOGIN));
	return left;
}
