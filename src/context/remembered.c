/*
 * remembered.c - the last few tokens that this backend has verified, with their claims.
 *
 * Called by token.c only: a connection that sets the same token in many transactions reads
 * it once.  What the key set and the settings say is asked each time.  Each entry owns a
 * memory context.  A token is a secret that lives for minutes; guc.c holds it in this
 * memory anyway.
 */
#include "context/context_int.h"

#include "utils/memutils.h"

#define REMEMBERED 4

typedef struct Remembered
{
	MemoryContext context;		/* of all below; NULL: free */
	char	   *token;
	char	   *kid;
	char	   *audience;		/* toms.audience when it was read: a claim is chosen by it */
	uint8		key[TOMS_PUBLIC_KEY_BYTES];
	TomsClaims	claims;
} Remembered;

static Remembered remembered[REMEMBERED];
static int	next = 0;

bool
toms_remembered_find(const char *token, const char **kid, uint8 key[TOMS_PUBLIC_KEY_BYTES], TomsClaims *claims)
{
	for (int i = 0; i < REMEMBERED; i++)
	{
		const Remembered *entry = &remembered[i];

		if (entry->context && strcmp(entry->token, token) == 0 &&
			strcmp(entry->audience, toms_settings_audience()) == 0)
		{
			*kid = entry->kid;
			memcpy(key, entry->key, TOMS_PUBLIC_KEY_BYTES);
			*claims = entry->claims;
			return true;
		}
	}
	return false;
}

static void
fill(Remembered *entry, const char *token, const TomsHeader *header, const uint8 *key)
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
	Remembered *place = &remembered[next];
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "toms remembered token", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Remembered entry = {.context = context};

	fill(&entry, token, header, key);
	(void) toms_claims_read(claims_json, length, &entry.claims);	/* has been read before */
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(context, TopMemoryContext);
	if (place->context)
		MemoryContextDelete(place->context);
	*place = entry;
	next = (next + 1) % REMEMBERED;
}
