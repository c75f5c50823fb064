/*
 * context_int.h - between the files of slice context.
 */
#ifndef TOMS_CONTEXT_INT_H
#define TOMS_CONTEXT_INT_H

#include "context/context.h"

#include "trail/trail.h"
#include "utils/guc.h"

#define TOMS_TOKEN_BYTES 8192	/* longest token that is looked at */
#define TOMS_ENTER_KEY "enter"
#define TOMS_ENTER_KID "toms-enter" /* reserved: tokens of toms.enter() */

/* A reason with a sentence about it; TOMS_OK is success. */
typedef struct TomsVerdict
{
	TomsReason	reason;
	const char *detail;
	const char *hint;
} TomsVerdict;

#define TOMS_VERDICT_OK ((TomsVerdict) {TOMS_OK})
#define TOMS_VERDICT(...) ((TomsVerdict) {__VA_ARGS__})

/* A claim set as read, in palloc'd memory; what is absent is NULL or 0. */
typedef struct TomsClaims
{
	char	   *tenant;
	char	   *subject;
	char	   *actor;
	char	   *role;
	char	   *purposes[TOMS_MAX_PURPOSES];
	int			npurposes;
	char	   *jti;
	char	   *environment;
	char	   *audience;		/* the one equal to toms.audience, else the last */
	bool		mfa;
	bool		has_exp;
	bool		has_nbf;
	bool		has_iat;
	int64		exp;			/* seconds since 1970 */
	int64		nbf;
	int64		iat;
	uint8		principal[TOMS_PRINCIPAL_BYTES];	/* digest of all above that says who */
} TomsClaims;

typedef struct TomsHeader
{
	char		alg[32];
	char		kid[128];
	bool		has_kid;
	bool		has_crit;
} TomsHeader;

/* claims.c: header and payload, from JSON */
extern TomsVerdict toms_header_read(const char *json, size_t length, TomsHeader *header);
extern TomsVerdict toms_claims_read(const char *json, size_t length, TomsClaims *claims);

/* claims.c: one block for guc.c; NULL when memory is short */
extern TomsContext *toms_claims_pack(const TomsClaims *claims, LocalTransactionId lxid);

/* settings.c */
extern void toms_settings_init(void);
extern bool toms_settings_single_use(void);
extern TomsVerdict toms_settings_check_claims(const TomsClaims *claims);
extern TomsVerdict toms_settings_check_connection(void);
extern int64 toms_settings_leeway_us(void);
extern const char *toms_settings_jwks_file(void);
extern const char *toms_settings_audience(void);
extern const char *toms_settings_environment(void);
extern const char *toms_settings_purpose(void);

/* Whether toms.environment is "test": an application's tests change tenants in one transaction. */
extern bool toms_settings_is_test(void);
/* Whether what was set in a transaction still holds: in it, or in a session context. */
extern bool toms_settings_is_current(LocalTransactionId lxid);

/* "<transaction>~<value>" in memory for guc.c; NULL when memory is short. */
extern char *toms_stored_value(const char *value, LocalTransactionId lxid);

/* token.c: the check of a compact JWS; fills claims on success */
extern TomsVerdict toms_token_read(const char *token, bool trusted, TomsClaims *claims);

/* jwks.c: the key set in shared memory */
typedef enum TomsKeyLookup
{
	TOMS_KEY_FOUND,
	TOMS_KEY_NOT_FOUND,
	TOMS_KEY_AMBIGUOUS,			/* no kid given and several keys to choose from */
	TOMS_KEY_NONE_CONFIGURED
} TomsKeyLookup;

extern TomsKeyLookup toms_jwks_find(const char *kid, uint8 key[TOMS_PUBLIC_KEY_BYTES]);
extern void toms_jwks_look_again(void); /* at the file, with the next token */
extern Size toms_jwks_shmem_size(void);
extern void toms_jwks_shmem_init(bool found, void *area);

/*
 * verified.c: tokens that some backend has verified, by the digest of the whole token, with the
 * key that did it (kid: its name in the token, or NULL) and the claims; token ids that were used.
 */
extern bool toms_verified_find(const uint8 digest[TOMS_DIGEST_BYTES], const char **kid,
							   uint8 key[TOMS_PUBLIC_KEY_BYTES], TomsClaims *claims);
extern void toms_verified_add(const uint8 digest[TOMS_DIGEST_BYTES], const char *kid,
							  const uint8 key[TOMS_PUBLIC_KEY_BYTES], const TomsClaims *claims);
extern bool toms_replay_claim(const char *jti, int64 forget_after);
extern Size toms_verified_shmem_size(void);
extern void toms_verified_shmem_init(bool found, void *area);

/* context.c: the setting toms.token; what it says and the purpose that was chosen, in force or not */
extern void toms_token_init(void);
extern const TomsContext *toms_context_assigned(void);
extern const char *toms_context_chosen_purpose(void);

/* Whether this transaction had a context already; let one of another tenant follow */
extern bool toms_context_in_transaction(void);
extern void toms_context_forget_transaction(void);
#endif							/* TOMS_CONTEXT_INT_H */
