/*
 * deletion.c - entries about rows whose period was over: one for each batch that retention has deleted.
 *
 * Called by retention, in the transaction of the batch.
 */
#include "audit/audit.h"
#include "audit/audit_int.h"

#include "access/table.h"
#include "utils/rel.h"

void
toms_audit_deletion(Oid root, char verb, const char *tenant, const char *details)
{
	Relation	rel = table_open(root, AccessShareLock);
	TomsEntry	entry = {.kind = TOMS_ENTRY_DELETION,.verb = verb,.tenant = tenant};
	StringInfoData text;

	toms_record_begin(&entry);
	entry.who = toms_who(entry.at);
	entry.object = toms_object(rel, root, entry.at)->entry;
	initStringInfo(&text);
	appendStringInfo(&text, "{%s}", details);
	toms_payload_to_utf8(&text);
	entry.payload = (TomsBytes) {text.data, text.len};
	toms_record_add(&entry);
	table_close(rel, AccessShareLock);
}
