/*
 * login.c - what an attempt to log in is: who, from where, how, and what came of it.
 *
 * Called by hooks.c when PostgreSQL has authenticated a client, or has not.  It runs in a transaction without a
 * database; settings of roles and databases are not in force yet.  A client that hangs up has not tried.
 */
#include "login/login_int.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "libpq/hba.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "trail/trail.h"
#include "utils/guc.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include <arpa/inet.h>

typedef enum AuditLogins
{
	AUDIT_NO_LOGINS,
	AUDIT_FAILED_LOGINS,
	AUDIT_ALL_LOGINS
} AuditLogins;

static const struct config_enum_entry audit_options[] = {
	{"none", AUDIT_NO_LOGINS, false},
	{"failed", AUDIT_FAILED_LOGINS, false},
	{"all", AUDIT_ALL_LOGINS, false},
	{NULL, 0, false}
};

static int	audit_logins = AUDIT_ALL_LOGINS;

static const struct
{
	Size		(*size) (void);
	void		(*init) (bool found, void *area);
}			parts[] = {
	{toms_login_count_size, toms_login_count_init},
	{toms_login_ring_size, toms_login_ring_init},
	{toms_login_session_size, toms_login_session_init},
};

Size
toms_login_shmem_size(void)
{
	Size		size = 0;

	for (int i = 0; i < lengthof(parts); i++)
		size = add_size(size, MAXALIGN(parts[i].size()));
	return size;
}

void
toms_login_shmem_init(bool found, void *area)
{
	char	   *part = area;

	for (int i = 0; i < lengthof(parts); i++)
	{
		parts[i].init(found, part);
		part += MAXALIGN(parts[i].size());
	}
}

void
toms_login_init(void)
{
	DefineCustomEnumVariable("toms.audit_logins",
							 "Which log-ins are recorded in the audit trail: all, with their log-out, those that failed, or none.",
							 "Failed ones are counted for the lock-out in any case.",
							 &audit_logins, AUDIT_ALL_LOGINS, audit_options, PGC_SIGHUP, 0, NULL, NULL, NULL);
	toms_login_count_settings();
}

const char *
toms_login_outcome(TomsLoginOutcome outcome)
{
	switch (outcome)
	{
		case TOMS_LOGIN_AUTHENTICATED:
			return "authenticated";
		case TOMS_LOGIN_FAILED:
			return "failed";
		case TOMS_LOGIN_NO_ROLE:
			return "no such role";
		case TOMS_LOGIN_NOT_PERMITTED:
			return "role is not permitted to log in";
	}
	return NULL;
}

/* an attempt -------------------------------------------------------------------------- */

static TomsLoginPlace
place_of(const Port *port, char *address)
{
	const struct sockaddr *client = (const struct sockaddr *) &port->raddr.addr;
	TomsLoginPlace place = {0};

	strlcpy(address, "local", TOMS_LOGIN_ADDRESS_BYTES);
	if (client->sa_family == AF_INET)
	{
		const struct in_addr *ipv4 = &((const struct sockaddr_in *) client)->sin_addr;

		place.family = 4;
		memcpy(place.bytes, ipv4, 4);
		(void) inet_ntop(AF_INET, ipv4, address, TOMS_LOGIN_ADDRESS_BYTES);
	}
	else if (client->sa_family == AF_INET6)
	{
		const struct in6_addr *ipv6 = &((const struct sockaddr_in6 *) client)->sin6_addr;

		place.family = 6;
		memcpy(place.bytes, ipv6, 8);
		(void) inet_ntop(AF_INET6, ipv6, address, TOMS_LOGIN_ADDRESS_BYTES);
	}
	return place;
}

static const char *
tls_of(Port *port)
{
#ifdef USE_SSL
	if (port->ssl_in_use)
		return be_tls_get_version(port);
#endif
	return "none";
}

/* PostgreSQL looks the role up too, before or right after: an error here would be its own. */
static void
find_role(TomsLoginRecord *record, const char *name, int status)
{
	HeapTuple	tuple = SearchSysCache1(AUTHNAME, CStringGetDatum(name));

	record->outcome = status == STATUS_OK ? TOMS_LOGIN_AUTHENTICATED : TOMS_LOGIN_FAILED;
	if (!HeapTupleIsValid(tuple))
	{
		record->outcome = TOMS_LOGIN_NO_ROLE;
		return;
	}
	record->role = ((Form_pg_authid) GETSTRUCT(tuple))->oid;
	strlcpy(record->login, name, NAMEDATALEN);
	if (!((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin)
		record->outcome = TOMS_LOGIN_NOT_PERMITTED;
	ReleaseSysCache(tuple);
}

static void
describe(TomsLoginRecord *record, TomsLoginPair *pair, Port *port, int status)
{
	*record = (TomsLoginRecord) {.at = GetCurrentTimestamp()};
	*pair = (TomsLoginPair) {.place = place_of(port, record->address)};
	toms_login_hash(pair->hash, port->user_name);
	memcpy(record->hash, pair->hash, TOMS_LOGIN_HASH_BYTES);
	find_role(record, port->user_name, status);
	strlcpy(record->database, port->database_name ? port->database_name : "", NAMEDATALEN);
	strlcpy(record->method, hba_authname(port->hba->auth_method), sizeof(record->method));
	strlcpy(record->tls, tls_of(port), sizeof(record->tls));
}

static void
record_attempt(TomsLoginRecord *record, char verb)
{
	bool		failed = verb == TOMS_VERB_LOGIN_FAILED || verb == TOMS_VERB_LOGIN_LOCKED;

	record->verb = verb;
	if (audit_logins == AUDIT_ALL_LOGINS || (audit_logins == AUDIT_FAILED_LOGINS && failed))
		toms_login_push(record);
}

static bool
is_attempt(const Port *port, int status)
{
	return status != STATUS_EOF && !IsBinaryUpgrade && port->user_name != NULL;
}

void
toms_login_before(Port *port, int status)
{
	TomsLoginRecord record;
	TomsLoginPair pair;
	bool		locked;

	if (!is_attempt(port, status))
		return;
	describe(&record, &pair, port, status);
	locked = toms_login_count(&record, &pair);
	if (locked)
		record_attempt(&record, TOMS_VERB_LOGIN_LOCKED);
	else if (record.outcome != TOMS_LOGIN_AUTHENTICATED)
		record_attempt(&record, TOMS_VERB_LOGIN_FAILED);
	if (locked)
		toms_login_refuse(port);
}

void
toms_login_after(Port *port, int status)
{
	TomsLoginRecord record;
	TomsLoginPair pair;

	if (!is_attempt(port, status))
		return;
	describe(&record, &pair, port, status);
	if (record.outcome != TOMS_LOGIN_AUTHENTICATED)
		return;
	toms_login_session_begin(&record, &pair.place, audit_logins == AUDIT_ALL_LOGINS);
	record_attempt(&record, TOMS_VERB_LOGIN);
}
