/*
 * deletion.c - entries about rows whose period was over: one for each batch that retention has deleted.
 *
 * Called by retention, in the transaction of the batch.  They are kept for longer than all others, and so refer to none: who
 * acted is retention, by its rules.
 */
#include "audit/audit.h"
#include "audit/audit_int.h"

#include "base/name.h"
#include "utils/json.h"

void
toms_audit_deletion(Oid root, char verb, const char *tenant, const char *details)
{
	TomsEntry	entry = {.kind = TOMS_ENTRY_DELETION,.verb = verb,.tenant = tenant};
	StringInfoData text;

	toms_record_begin(&entry);
	initStringInfo(&text);
	appendStringInfoString(&text, "{\"relation\":");
	escape_json(&text, toms_relation_name(root));
	appendStringInfo(&text, ",%s}", details);
	toms_payload_to_utf8(&text);
	entry.payload = (TomsBytes) {text.data, text.len};
	toms_record_add(&entry);
}
