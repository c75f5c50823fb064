/*
 * certificate.c - a certificate of an erasure (toms.certificate()).
 *
 * Called by the command "certificate".  The signature is that of the bytes as they stand; the proof within leads the entry
 * of the trail that tells of the erasure to a sealed block, which has to say the same as the certificate.
 */
#include "verify.h"

#include <inttypes.h>

enum
{
	TYPE,
	VERSION,
	DATASET,
	ERASURE,
	KIND,
	TENANT,
	CATEGORY,
	STATE,
	BY,
	REQUESTED_AT,
	ERASED_AT,
	TABLES,
	KEYS,
	EPOCHS,
	REST,
	BACKUPS,
	ENTRY,
	PROOF,
	ISSUED_AT,
	KEY,
	SIGNATURE,
	MEMBERS
};

#define FIRST_MEMBERS \
	[TYPE] = NEEDED("type"), [VERSION] = NEEDED("version"), [DATASET] = NEEDED("dataset"), [ERASURE] = NEEDED("erasure"), \
	[KIND] = NEEDED("kind"), [TENANT] = NEEDED("tenant"), [CATEGORY] = NEEDED("category"), [STATE] = NEEDED("state"), [BY] = NEEDED("by")

static const char *
read_members(Text text, Member *members, uint64_t *erasure, uint8_t dataset[DATASET_BYTES])
{
	const char *problem = json_members(text, members, MEMBERS, false);
	uint64_t	version;
	char		time[TIME_SIZE];

	if (problem)
		return problem;
	if (!json_is(members[TYPE].value, "certificate") || !json_number(members[VERSION].value, &version) || version != 1)
		return "a certificate of another kind or version";
	if (!json_uuid(members[DATASET].value, dataset) || !json_number(members[ERASURE].value, erasure) || !json_time(members[ISSUED_AT].value, time))
		return "a value of another form";
	return NULL;
}

static bool
same(Text left, Text right)
{
	return left.size == right.size && memcmp(left.at, right.at, left.size) == 0;
}

/* Where escapes stand in the name the bytes are others; the number of the erasure is enough then. */
static bool
is_tenant(Text name, Text tenant)
{
	return memchr(name.at, '\\', name.size) || (tenant.at && same(name, tenant));
}

/* What the trail says is what the certificate says. */
static void
check_entry(const Member *certificate, const Entry *entry)
{
	Member		members[] = {NEEDED("erasure"), NEEDED("kind"), NEEDED("instruction"), NEEDED("tables"), NEEDED("keys")};
	Text		tenant;
	uint64_t	number;

	if (!json_string(certificate[TENANT].value, &tenant) || !json_number(certificate[ENTRY].value, &number))
		fault("tenant or entry of another form");
	else if (entry->kind != 'd' || (uint64_t) entry->id != number)
		fault("the proof is of another entry than the one that is named");
	else if (!is_tenant(tenant, entry->tenant))
		fault("the entry is of another tenant");
	else if (!entry->payload.at || json_members((Text) {(const char *) entry->payload.at, entry->payload.size}, members, lengthof(members), false) != NULL)
		fault("the entry does not tell of an erasure");
	else if (!same(members[0].value, certificate[ERASURE].value) || !same(members[1].value, certificate[KIND].value) ||
			 !same(members[3].value, certificate[TABLES].value) || !same(members[4].value, certificate[KEYS].value))
		fault("the entry tells of another erasure, or of other counts");
}

static void
say_member(const char *name, Text value)
{
	Text		inner;

	if (json_string(value, &inner))
		say("%s: %s", name, shown_string(inner));
	else
		say("%s: %s", name, json_is_null(value) ? "none" : shown(value));
}

static void
print(const Member *members)
{
	static const struct
	{
		const char *name;
		int			member;
	}			lines[] = {
		{"erasure", ERASURE}, {"kind", KIND}, {"tenant", TENANT}, {"category", CATEGORY}, {"state", STATE}, {"by", BY}, {"requested", REQUESTED_AT},
		{"erased", ERASED_AT}, {"tables", TABLES}, {"data keys destroyed", KEYS}, {"key epochs", EPOCHS}, {"left", REST}, {"backups", BACKUPS},
		{"issued", ISSUED_AT}, {"data set", DATASET}
	};

	for (int i = 0; i < lengthof(lines); i++)
		say_member(lines[i].name, members[lines[i].member].value);
}

void
check_certificate(Text text)
{
	Member		members[MEMBERS] = {
		FIRST_MEMBERS, [REQUESTED_AT] = NEEDED("requested_at"), [ERASED_AT] = NEEDED("erased_at"), [TABLES] = NEEDED("tables"), [KEYS] = NEEDED("keys"),
		[EPOCHS] = NEEDED("epochs"), [REST] = NEEDED("rest"), [BACKUPS] = NEEDED("backups"), [ENTRY] = NEEDED("entry"), [PROOF] = NEEDED("proof"),
		[ISSUED_AT] = NEEDED("issued_at"), [KEY] = NEEDED("key"), [SIGNATURE] = NEEDED("signature")
	};
	uint64_t	before = faults();
	uint64_t	erasure;
	uint8_t		dataset[DATASET_BYTES];
	const char *problem;
	Entry		entry;

	if (text.size > 0 && text.at[text.size - 1] == '\n')
		text.size--;
	problem = read_members(text, members, &erasure, dataset);
	if (problem)
	{
		fault("not a certificate: %s", problem);
		return;
	}
	if (!check_signed_line(text, members[SIGNATURE].value, members[KEY].value))
		return;
	log_check_dataset(dataset);
	if (!json_is_null(members[PROOF].value) && prove_entry(members[PROOF].value, dataset, &entry))
		check_entry(members, &entry);
	if (faults() > before)
		return;
	print(members);
	if (json_is_null(members[PROOF].value))
		say("trail: not proved; ask for the certificate again when the trail has been sealed");
}
