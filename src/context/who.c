/*
 * who.c - who acts, in the words of an entry of the audit trail.
 *
 * Called for every row that is changed and for every event.  The words are kept until something that they depend
 * on changes; they are this session's, in memory of their own.
 */
#include "context/context_int.h"

#include "base/change.h"
#include "base/compat.h"
#include "base/name.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"

bool		(*toms_context_say_session) (StringInfo words) = NULL;

/* Of longer reasons the trail holds the beginning, in bytes. */
#define LONGEST_REASON 1024

/* The last answer, and all that it depended on. */
static struct
{
	MemoryContext memory;
	TomsWho		who;
	uint64		changes;		/* 0: there is none */
	Oid			user;
	Oid			session_user;
	char		application[NAMEDATALEN];
}			last;

static bool
is_as_before(void)
{
	return last.changes == toms_change_count && last.user == GetUserId() && last.session_user == GetSessionUserId() &&
		strncmp(last.application, application_name, NAMEDATALEN) == 0;
}

static const char *
client_address(void)
{
	if (MyProcPort == NULL)
		return NULL;
	return MyProcPort->raddr.addr.ss_family == AF_UNIX ? "local" : MyProcPort->remote_host;
}

static void
say(StringInfo text, const char *name, const char *value)
{
	if (value && value[0] != '\0')
		toms_event_say(text, name, value);
}

static void
say_reason(StringInfo text)
{
	const char *reason = toms_context_stated_reason();

	if (reason)
		say(text, "reason", pnstrdup(reason, pg_mbcliplen(reason, strlen(reason), LONGEST_REASON)));
}

/* "context" is NULL for an administrator, and for what no client has asked for. */
static void
describe(StringInfo text, const TomsContext *context)
{
	Oid			function = toms_context_function();
	bool		in_session = toms_context_say_session && toms_context_say_session(text);

	if (context)
	{
		say(text, "actor", context->actor);
		say(text, "role", context->role);
		say(text, "purpose", toms_context_purpose());
		say(text, "function", OidIsValid(function) ? toms_function_name(function) : NULL);
	}
	else if (!in_session)
		say_reason(text);
	say(text, "login", GetUserNameFromId(GetSessionUserId(), true));
	if (GetUserId() != GetSessionUserId())
		say(text, "user", GetUserNameFromId(GetUserId(), true));
	say(text, "address", client_address());
	say(text, "application", application_name);
	if (MyBackendType != B_BACKEND)
		say(text, "process", GetBackendTypeDesc(MyBackendType));
}

/* Looking up names may end the memory of the context that is told of. */
static TomsWho
make_who(void)
{
	static uint64 number = 0;
	const TomsContext *context = toms_context_get();
	/* cppcheck-suppress unknownEvaluationOrder ; the member and the variable are two */
	TomsWho		who = {.number = ++number};
	StringInfoData text;
	char	   *json;

	if (context)
	{
		who.tenant = pstrdup(context->tenant);
		who.actor = pstrdup(context->actor);
	}
	initStringInfo(&text);
	describe(&text, context);
	json = psprintf("{%s}", text.data);
	who.text = pg_server_to_any(json, strlen(json), PG_UTF8);
	who.length = strlen(who.text);
	json = psprintf("%s%s", who.text, who.tenant ? who.tenant : "");
	toms_crypto_digest(who.digest, json, strlen(json), NULL, 0);
	return who;
}

const TomsWho *
toms_context_words(void)
{
	MemoryContext old;

	(void) toms_context_check();	/* settles the count */
	if (is_as_before())
		return &last.who;
	last.changes = 0;
	if (last.memory == NULL)
		last.memory = AllocSetContextCreate(TopMemoryContext, "toms who", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(last.memory);
	old = MemoryContextSwitchTo(last.memory);
	last.who = make_who();
	MemoryContextSwitchTo(old);
	last.changes = toms_change_count;
	last.user = GetUserId();
	last.session_user = GetSessionUserId();
	strlcpy(last.application, application_name, NAMEDATALEN);
	return &last.who;
}
