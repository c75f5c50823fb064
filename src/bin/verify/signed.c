/*
 * signed.c - a report (toms.report()) as JSON, HTML or Markdown.
 *
 * Called by the command "report".  JSON is an object that ends with its signature; the others end with a line that is a
 * comment of both, "<!-- {…} -->", whose object does.  What is signed is every byte before the signature, so the report too.
 */
#include "verify.h"

static const char comment[] = "<!-- ";
static const char end_of_comment[] = " -->";

enum
{
	TYPE,
	VERSION,
	FORMAT,
	DATASET,
	TENANT,
	MADE_AT,
	KEY,
	SIGNATURE,
	MEMBERS
};

/* The object that ends the text: itself, or what its last line holds; at is NULL if there is none. */
static Text
last_object(Text text)
{
	size_t		from = text.size;
	size_t		around = sizeof(comment) - 1 + sizeof(end_of_comment) - 1;

	if (text.size > 0 && text.at[0] == '{')
		return text;
	while (from > 0 && text.at[from - 1] != '\n')
		from--;
	if (from == 0 || text.size - from < around || memcmp(text.at + from, comment, sizeof(comment) - 1) != 0 ||
		memcmp(text.at + text.size - (sizeof(end_of_comment) - 1), end_of_comment, sizeof(end_of_comment) - 1) != 0)
		return (Text) {NULL, 0};
	return (Text) {text.at + from + sizeof(comment) - 1, text.size - from - around};
}

static void
print(const Member *members)
{
	Text		inner;

	say("report: %s", json_string(members[FORMAT].value, &inner) ? shown_string(inner) : "json");
	say("tenant: %s", json_string(members[TENANT].value, &inner) ? shown_string(inner) : "all");
	if (json_string(members[MADE_AT].value, &inner))
		say("made: %s", shown_string(inner));
	if (json_string(members[DATASET].value, &inner))
		say("data set: %s", shown_string(inner));
}

void
check_report(Text text)
{
	Member		members[MEMBERS] = {
		[TYPE] = NEEDED("type"), [VERSION] = NEEDED("version"), [FORMAT] = OPTIONAL("format"), [DATASET] = NEEDED("dataset"), [TENANT] = NEEDED("tenant"),
		[MADE_AT] = NEEDED("made_at"), [KEY] = NEEDED("key"), [SIGNATURE] = NEEDED("signature")
	};
	uint8_t		dataset[DATASET_BYTES];
	uint64_t	before = faults();
	uint64_t	version;
	char		time[TIME_SIZE];
	Text		object;
	const char *problem;

	if (text.size > 0 && text.at[text.size - 1] == '\n')
		text.size--;
	object = last_object(text);
	problem = object.at ? json_members(object, members, MEMBERS, object.at == text.at) : "its last line is not a signature";
	if (!problem && (!json_is(members[TYPE].value, "report") || !json_number(members[VERSION].value, &version) || version != 1))
		problem = "a report of another kind or version";
	if (!problem && (!json_uuid(members[DATASET].value, dataset) || !json_time(members[MADE_AT].value, time)))
		problem = "a value of another form";
	if (problem)
	{
		fault("not a report: %s", problem);
		return;
	}
	if (!check_signed_line((Text) {text.at, object.at - text.at + object.size}, members[SIGNATURE].value, members[KEY].value))
		return;
	log_check_dataset(dataset);
	if (faults() == before)
		print(members);
}
