/*
 * secret.c - memory for keys that lives and dies with a memory context.
 *
 * Called wherever key bytes are held.  The memory itself is libsodium's, outside
 * PostgreSQL's allocator; a reset callback of the context wipes and returns it.
 */
#include "base/secret.h"

#include <sodium.h>

static void
release_secret(void *secret)
{
	sodium_free(secret);
}

void *
toms_secret_alloc(MemoryContext context, size_t size)
{
	MemoryContextCallback *callback = MemoryContextAlloc(context, sizeof(MemoryContextCallback));
	void	   *secret = sodium_malloc(size);

	if (secret == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("memory for a key is not available")));
	callback->func = release_secret;
	callback->arg = secret;
	MemoryContextRegisterResetCallback(context, callback);
	return secret;
}

void
toms_secret_wipe(void *bytes, size_t size)
{
	sodium_memzero(bytes, size);
}
