/*
 * work.c - the context of what toms itself does to the rows of one tenant.
 *
 * Called by retention around its statements; context.c answers with it meanwhile, policy and guard ask whether a
 * statement is one of these.  Statements are told from what runs inside of them by the level of execution, which
 * guard keeps.  All state is this backend's; parallel workers have none of it, so nothing is permitted there.
 */
#include "context/context_int.h"

#include "access/xact.h"
#include "base/change.h"
#include "miscadmin.h"

int			(*toms_context_level) (void) = NULL;

static struct
{
	bool		is_on;
	int			level;			/* of execution, at which it began */
	SubTransactionId began_in;
	Oid			root;			/* the table whose rows it is about */
	TomsContext context;
	char		tenant[256];
	char		role[NAMEDATALEN];
	char		purpose[NAMEDATALEN];
}			work;

static int
level_now(void)
{
	return toms_context_level ? toms_context_level() : 0;
}

static void
digest_principal(void)
{
	char		text[sizeof(work.tenant) + sizeof(work.role) + 8];
	uint8		digest[TOMS_DIGEST_BYTES];

	snprintf(text, sizeof(text), "toms %s %s", work.role, work.tenant);
	toms_crypto_digest(digest, text, strlen(text), NULL, 0);
	memcpy(work.context.principal, digest, TOMS_PRINCIPAL_BYTES);
}

void
toms_context_begin_work(const char *tenant, const char *purpose, Oid root)
{
	if (work.is_on || toms_context_in_frame())
		elog(ERROR, "work on rows begins within an access function, or within other work");
	if (strlen(tenant) >= sizeof(work.tenant))
		elog(ERROR, "a tenant's name is too long");
	strlcpy(work.tenant, tenant, sizeof(work.tenant));
	strlcpy(work.purpose, purpose, sizeof(work.purpose));
	strlcpy(work.role, GetUserNameFromId(GetUserId(), false), sizeof(work.role));
	work.context = (TomsContext) {.tenant = work.tenant,.subject = "",.actor = "toms",.role = work.role,.npurposes = 1,
	.purposes = {work.purpose},.expires_at = DT_NOEND};
	digest_principal();
	work.root = root;
	work.level = level_now();
	work.began_in = GetCurrentSubTransactionId();
	work.is_on = true;
	toms_note_change();
}

void
toms_context_end_work(void)
{
	work.is_on = false;
	toms_note_change();
}

bool
toms_context_is_working(void)
{
	return work.is_on;
}

/*
 * A statement is asked about at the level at which it was started, one above the level of what its caller does; its
 * functions are evaluated there too.  What they start is further down.
 */
bool
toms_context_is_own_work(void)
{
	return work.is_on && level_now() <= work.level + 1;
}

bool
toms_context_is_own_work_on(Oid root)
{
	return root == work.root && toms_context_is_own_work();
}

const TomsContext *
toms_context_of_work(void)
{
	return work.is_on ? &work.context : NULL;
}

static void
transaction_callback(XactEvent event, void *arg)
{
	if (work.is_on && event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PRE_PREPARE)
		toms_context_end_work();
}

static void
subtransaction_callback(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (work.is_on && (event == SUBXACT_EVENT_ABORT_SUB || event == SUBXACT_EVENT_COMMIT_SUB) && mine == work.began_in)
		toms_context_end_work();
}

void
toms_work_init(void)
{
	RegisterXactCallback(transaction_callback, NULL);
	RegisterSubXactCallback(subtransaction_callback, NULL);
}
