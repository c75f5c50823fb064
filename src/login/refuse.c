/*
 * refuse.c - what a client who is locked out is told.
 *
 * Called by login.c.  With SCRAM PostgreSQL has by now put into its buffer the server's signature, which tells the client
 * that his password was right; it goes out with the next message.  Then guessing would go on as if there were no lock.  So
 * our message goes past the buffer, which is never sent.
 */
#include "login/login_int.h"

#include "lib/stringinfo.h"
#include "libpq/libpq.h"
#include "port/pg_bswap.h"
#include "tcop/tcopprot.h"

#define MESSAGE "too many failed log-ins of this user from this address"
#define HINT "Try again later, or ask an officer for toms.unlock_login()."

static void
add_field(StringInfo message, char field, const char *value)
{
	appendStringInfoChar(message, field);
	appendBinaryStringInfo(message, value, strlen(value) + 1);
}

/* What ereport() would send, as of the protocol's version 3.  The client may have gone: nobody waits for him. */
static void
tell(Port *port)
{
	StringInfoData message;
	uint32		length;

	initStringInfo(&message);
	appendBinaryStringInfo(&message, "E\0\0\0", 5);
	add_field(&message, 'S', "FATAL");
	add_field(&message, 'V', "FATAL");
	add_field(&message, 'C', "28000");
	add_field(&message, 'M', MESSAGE);
	add_field(&message, 'H', HINT);
	appendStringInfoChar(&message, '\0');
	length = pg_hton32(message.len - 1);
	memcpy(message.data + 1, &length, sizeof(length));
	port->noblock = true;
	(void) secure_write(port, message.data, message.len);
}

void
toms_login_refuse(Port *port)
{
	if (whereToSendOutput == DestRemote)
		tell(port);
	whereToSendOutput = DestNone;
	ereport(FATAL, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION), errmsg(MESSAGE), errhint(HINT)));
}
