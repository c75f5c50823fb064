/*
 * deletion.c - entries about rows that toms has deleted: one for each batch of retention or of an erasure, and one for
 * an erasure that is done.
 *
 * Called by retention and rights, in the transaction of the batch.  They are kept for longer than all others, and so refer to none: who
 * acted is retention, by its rules.
 */
#include "audit/audit.h"
#include "audit/audit_int.h"

#include "base/name.h"
#include "utils/json.h"

static int64
add_entry(char verb, const char *tenant, StringInfo text)
{
	TomsEntry	entry = {.kind = TOMS_ENTRY_DELETION,.verb = verb,.tenant = tenant};

	toms_record_begin(&entry);
	toms_payload_to_utf8(text);
	entry.payload = (TomsBytes) {text->data, text->len};
	toms_record_add(&entry);
	return entry.id;
}

void
toms_audit_deletion(Oid root, char verb, const char *tenant, const char *details)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "{\"relation\":");
	escape_json(&text, toms_relation_name(root));
	appendStringInfo(&text, ",%s}", details);
	(void) add_entry(verb, tenant, &text);
}

int64
toms_audit_erasure(const char *tenant, const char *details)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, details);
	return add_entry(TOMS_VERB_DELETE, tenant, &text);
}
