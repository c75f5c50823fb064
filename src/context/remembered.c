/*
 * remembered.c - the last few tokens that this backend has verified, with their claims.
 *
 * Called by token.c only.  Each entry owns a memory context.  A token is a secret that lives
 * for minutes; guc.c holds it in this memory anyway.
 */
#include "context/context_int.h"

#include "utils/memutils.h"

#define REMEMBERED 4

static TomsRemembered remembered[REMEMBERED];
static int	next = 0;

const TomsRemembered *
toms_remembered_find(const char *token)
{
	for (int i = 0; i < REMEMBERED; i++)
	{
		if (remembered[i].context && strcmp(remembered[i].token, token) == 0 &&
			strcmp(remembered[i].audience, toms_settings_audience()) == 0)
			return &remembered[i];
	}
	return NULL;
}

static void
fill(TomsRemembered *entry, const char *token, const TomsHeader *header, const uint8 *key)
{
	entry->token = pstrdup(token);
	entry->kid = header->has_kid ? pstrdup(header->kid) : NULL;
	entry->audience = pstrdup(toms_settings_audience());
	memcpy(entry->key, key, TOMS_PUBLIC_KEY_BYTES);
}

/* The entry is complete before it takes the oldest one's place: an error on the way leaves that. */
void
toms_remembered_add(const char *token, const TomsHeader *header, const uint8 key[TOMS_PUBLIC_KEY_BYTES],
					const char *claims_json, size_t length)
{
	TomsRemembered *place = &remembered[next];
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "toms remembered token", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TomsRemembered entry = {.context = context};

	fill(&entry, token, header, key);
	(void) toms_claims_read(claims_json, length, &entry.claims);	/* has been read before */
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(context, TopMemoryContext);
	if (place->context)
		MemoryContextDelete(place->context);
	*place = entry;
	next = (next + 1) % REMEMBERED;
}
