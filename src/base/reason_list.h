/*
 * reason_list.h - the list of reasons, included by reason.h and reason.c only.
 *
 * 28000: who is asking is not established; a client renews its token.
 * 42501: who is asking is known and may not; a client shows 403.
 * 23514: the row breaks a rule; a client has a bug.
 * 55000: toms is not set up for this; an administrator has to act.
 */

/* the context */
TOMS_REASON(CONTEXT_MISSING, "toms_context_missing", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "no context is set")
TOMS_REASON(CONTEXT_ENDED, "toms_context_ended", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "the context has ended with its transaction")
TOMS_REASON(CONTEXT_EXPIRED, "toms_context_expired", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "the context has expired")
TOMS_REASON(CONTEXT_NOT_YET_VALID, "toms_context_not_yet_valid", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "the context is not valid yet")
TOMS_REASON(CONTEXT_CHANGED, "toms_context_changed", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "the context has changed since the statement was opened")
TOMS_REASON(CONTEXT_SWAPPED, "toms_context_swapped", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "this transaction already had a context of another tenant")
TOMS_REASON(TENANT_UNKNOWN, "toms_tenant_unknown", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "the tenant of the context is not registered")
TOMS_REASON(TENANT_ENDED, "toms_tenant_ended", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "the tenant of the context has ended")

/* the token */
TOMS_REASON(TOKEN_MALFORMED, "toms_token_malformed", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "the token is malformed")
TOMS_REASON(TOKEN_TOO_LARGE, "toms_token_too_large", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "the token is too large")
TOMS_REASON(TOKEN_ALGORITHM, "toms_token_algorithm", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "the token is not signed with EdDSA")
TOMS_REASON(TOKEN_CRITICAL, "toms_token_critical", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "the token demands a header extension that is not supported")
TOMS_REASON(TOKEN_UNKNOWN_KEY, "toms_token_unknown_key", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "the token is signed with a key that is not trusted")
TOMS_REASON(TOKEN_FORGED, "toms_token_forged", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "the token's signature does not verify")
TOMS_REASON(TOKEN_CLAIM, "toms_token_claim", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "a claim of the token is missing or not acceptable")
TOMS_REASON(TOKEN_AUDIENCE, "toms_token_audience", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "the token is meant for another audience")
TOMS_REASON(TOKEN_ENVIRONMENT, "toms_token_environment", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "the token is meant for another environment")
TOMS_REASON(TOKEN_TOO_LONG_LIVED, "toms_token_too_long_lived", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "the token lives longer than toms.max_token_age allows")
TOMS_REASON(TOKEN_REPLAYED, "toms_token_replayed", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "the token has been used before")
TOMS_REASON(TOKEN_UNENCRYPTED, "toms_token_unencrypted", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "a token is not accepted over an unencrypted connection")
TOMS_REASON(TOKEN_SOURCE, "toms_token_source", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "a token cannot be stored in a configuration")
TOMS_REASON(NO_KEYS, "toms_no_keys", ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "no key is configured that could verify a token")

/* permissions */
TOMS_REASON(ROLE_UNKNOWN, "toms_role_unknown", ERRCODE_INSUFFICIENT_PRIVILEGE, "the role of the context does not exist")
TOMS_REASON(ROLE_NOT_MEMBER, "toms_role_not_member", ERRCODE_INSUFFICIENT_PRIVILEGE, "the session's user is not a member of the context's role")
TOMS_REASON(PURPOSE_MISSING, "toms_purpose_missing", ERRCODE_INSUFFICIENT_PRIVILEGE, "the context holds several purposes and none is chosen")
TOMS_REASON(PURPOSE_EXCLUDED, "toms_purpose_excluded", ERRCODE_INSUFFICIENT_PRIVILEGE, "the purpose is excluded: nothing permits it")
TOMS_REASON(PURPOSE_AGGREGATE, "toms_purpose_aggregate", ERRCODE_INSUFFICIENT_PRIVILEGE, "the purpose answers statistics only, never a row")
TOMS_REASON(FUNCTION_CHANGED, "toms_function_changed", ERRCODE_INSUFFICIENT_PRIVILEGE, "the access function has been changed since its purpose was bound")
TOMS_REASON(ACCESS_FUNCTION, "toms_access_function", ERRCODE_INSUFFICIENT_PRIVILEGE, "the table is reached through access functions only")
TOMS_REASON(PURPOSE_NOT_IN_TOKEN, "toms_purpose_not_in_token", ERRCODE_INSUFFICIENT_PRIVILEGE, "the chosen purpose is not one of the context's")
TOMS_REASON(PERMISSION_MISSING, "toms_permission_missing", ERRCODE_INSUFFICIENT_PRIVILEGE, "the role has no permission for this table")
TOMS_REASON(CATEGORY_NOT_PERMITTED, "toms_category_not_permitted", ERRCODE_INSUFFICIENT_PRIVILEGE, "the category of the rows is not permitted to the role")
TOMS_REASON(VERB_NOT_PERMITTED, "toms_verb_not_permitted", ERRCODE_INSUFFICIENT_PRIVILEGE, "the verb is not permitted to the role")
TOMS_REASON(PURPOSE_NOT_PERMITTED, "toms_purpose_not_permitted", ERRCODE_INSUFFICIENT_PRIVILEGE, "the purpose is not permitted for this table")
TOMS_REASON(MFA_REQUIRED, "toms_mfa_required", ERRCODE_INSUFFICIENT_PRIVILEGE, "the permission demands a second factor")
TOMS_REASON(GRANT_MISSING, "toms_grant_missing", ERRCODE_INSUFFICIENT_PRIVILEGE, "permitted, but the privilege is not granted")
TOMS_REASON(IDENTIFIER_TYPE, "toms_identifier_type", ERRCODE_INSUFFICIENT_PRIVILEGE, "an identifier of the context does not fit the column's type")
TOMS_REASON(ROW_OTHER_TENANT, "toms_row_other_tenant", ERRCODE_INSUFFICIENT_PRIVILEGE, "the row belongs to another tenant")
TOMS_REASON(ROW_OTHER_SUBJECT, "toms_row_other_subject", ERRCODE_INSUFFICIENT_PRIVILEGE, "the row belongs to another data subject")
TOMS_REASON(RESTRICTED, "toms_restricted", ERRCODE_INSUFFICIENT_PRIVILEGE, "the processing of the data subject's rows is restricted")
TOMS_REASON(OBJECTED, "toms_objected", ERRCODE_INSUFFICIENT_PRIVILEGE, "the data subject has objected to the purpose")

/* what must not meet in one statement */
TOMS_REASON(IMMUTABLE, "toms_immutable", ERRCODE_INSUFFICIENT_PRIVILEGE, "a function that is declared immutable reads the table")
TOMS_REASON(SEPARATED, "toms_separated", ERRCODE_INSUFFICIENT_PRIVILEGE, "the statement brings together what is kept separate")
TOMS_REASON(UNPROTECTED_COPY, "toms_unprotected_copy", ERRCODE_INSUFFICIENT_PRIVILEGE, "data of a special category would be written to a table that is not protected")

/* sealed values */
TOMS_REASON(SEALED_UNREADABLE, "toms_sealed_unreadable", ERRCODE_INSUFFICIENT_PRIVILEGE, "the sealed value cannot be opened here")
TOMS_REASON(SEALED_ELSEWHERE, "toms_sealed_elsewhere", ERRCODE_INSUFFICIENT_PRIVILEGE, "the sealed value does not belong here")
TOMS_REASON(SEALED_PENDING, "toms_sealed_pending", ERRCODE_INSUFFICIENT_PRIVILEGE, "the sealed value has not been written to a protected table")
TOMS_REASON(SEALED_NOBODY, "toms_sealed_nobody", ERRCODE_CHECK_VIOLATION, "a row with sealed values must name its tenant and its data subject")
TOMS_REASON(SEALED_REWRITE, "toms_sealed_rewrite", ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "sealed values would be written without being bound to their rows")
TOMS_REASON(KEY_DESTROYED, "toms_key_destroyed", ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "the key of the sealed value has been destroyed")

/* ways around the policies */
TOMS_REASON(REASON_MISSING, "toms_reason_missing", ERRCODE_INSUFFICIENT_PRIVILEGE, "administrative access needs a stated reason")
TOMS_REASON(ADMIN_APPROVAL_MISSING, "toms_admin_approval_missing", ERRCODE_INSUFFICIENT_PRIVILEGE, "administrative access needs the approval of another officer")
TOMS_REASON(ADMIN_APPROVAL_REFUSED, "toms_admin_approval_refused", ERRCODE_INSUFFICIENT_PRIVILEGE, "the administrative session cannot be approved so")
TOMS_REASON(BREAK_GLASS_REFUSED, "toms_break_glass_refused", ERRCODE_INSUFFICIENT_PRIVILEGE, "the glass is broken by a superuser at the server alone")
TOMS_REASON(POLICY_BYPASSED, "toms_policy_bypassed", ERRCODE_INSUFFICIENT_PRIVILEGE, "the table would be read without its policies")
TOMS_REASON(TRUNCATE, "toms_truncate", ERRCODE_INSUFFICIENT_PRIVILEGE, "truncate would reach the rows of every tenant")
TOMS_REASON(DROP, "toms_drop", ERRCODE_INSUFFICIENT_PRIVILEGE, "what every tenant has there would be lost")
TOMS_REASON(CURSOR_WITH_HOLD, "toms_cursor_with_hold", ERRCODE_INSUFFICIENT_PRIVILEGE, "a cursor with hold would outlive the context")
TOMS_REASON(TEMPORARY_VIEW, "toms_temporary_view", ERRCODE_INSUFFICIENT_PRIVILEGE, "the table is read through a temporary view, which outlives the context")
TOMS_REASON(EXPLAIN_ANALYZE, "toms_explain_analyze", ERRCODE_INSUFFICIENT_PRIVILEGE, "explain analyze would tell of rows that are not shown")
TOMS_REASON(DDL, "toms_ddl", ERRCODE_INSUFFICIENT_PRIVILEGE, "the statement would look at the rows of every tenant")
TOMS_REASON(RULE, "toms_rule", ERRCODE_INSUFFICIENT_PRIVILEGE, "a rule could copy rows or send them elsewhere")
TOMS_REASON(POLICY_MANAGED, "toms_policy_managed", ERRCODE_INSUFFICIENT_PRIVILEGE, "row security of a protected table is kept by toms")
TOMS_REASON(TRAIL_APPEND_ONLY, "toms_trail_append_only", ERRCODE_INSUFFICIENT_PRIVILEGE, "the audit trail is written by toms alone")
TOMS_REASON(OFFICER_REQUIRED, "toms_officer_required", ERRCODE_INSUFFICIENT_PRIVILEGE, "only a toms officer may do this")
TOMS_REASON(ENTER_NOT_ALLOWED, "toms_enter_not_allowed", ERRCODE_INSUFFICIENT_PRIVILEGE, "the log-in may not enter this context")

/* to whom personal data may go */
TOMS_REASON(RECIPIENT_UNKNOWN, "toms_recipient_unknown", ERRCODE_INSUFFICIENT_PRIVILEGE, "the recipient is not registered")
TOMS_REASON(RECIPIENT_ENDED, "toms_recipient_ended", ERRCODE_INSUFFICIENT_PRIVILEGE, "the recipient gets nothing any more")
TOMS_REASON(RECIPIENT_OBJECTED, "toms_recipient_objected", ERRCODE_INSUFFICIENT_PRIVILEGE, "the controller has objected to the recipient")
TOMS_REASON(RECIPIENT_NOTICE, "toms_recipient_notice", ERRCODE_INSUFFICIENT_PRIVILEGE, "the controller has not been told of the recipient, or may still object")
TOMS_REASON(RECIPIENT_UNREADABLE, "toms_recipient_unreadable", ERRCODE_INSUFFICIENT_PRIVILEGE, "the recipient must not be able to read what he gets")
TOMS_REASON(RECIPIENT_CATEGORY, "toms_recipient_category", ERRCODE_INSUFFICIENT_PRIVILEGE, "the recipient is not registered for the category")
TOMS_REASON(TRANSFER, "toms_transfer", ERRCODE_INSUFFICIENT_PRIVILEGE, "the transfer to a third country is not covered")
TOMS_REASON(TRANSFER_EXPIRED, "toms_transfer_expired", ERRCODE_INSUFFICIENT_PRIVILEGE, "the instrument that covers the transfer is not in force")
TOMS_REASON(TRANSFER_CONSENT, "toms_transfer_consent", ERRCODE_INSUFFICIENT_PRIVILEGE, "the transfer needs the controller's consent")

/* rules on data */
TOMS_REASON(FREE_TEXT, "toms_free_text", ERRCODE_CHECK_VIOLATION, "the table takes columns of closed types only")
TOMS_REASON(CATEGORY_NOT_ENABLED, "toms_category_not_enabled", ERRCODE_CHECK_VIOLATION, "the tenant has not enabled the category of the value")
TOMS_REASON(OBJECTED_CATEGORY, "toms_objected_category", ERRCODE_CHECK_VIOLATION, "the data subject has objected to the category of the value")
TOMS_REASON(UNQUALIFIED_WRITE, "toms_unqualified_write", ERRCODE_CHECK_VIOLATION, "the statement would write every row it may, since it has no WHERE")
TOMS_REASON(HELD, "toms_held", ERRCODE_CHECK_VIOLATION, "a hold keeps what would be deleted")
TOMS_REASON(PAST_PERIOD, "toms_past_period", ERRCODE_CHECK_VIOLATION, "the row's period of retention has passed already")

/* set-up */
TOMS_REASON(PROTECTION_INCOMPLETE, "toms_protection_incomplete", ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "the protection of the table is not complete")
TOMS_REASON(VERSION_UNKNOWN, "toms_version", ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "the library of toms does not know the SQL of this database")
TOMS_REASON(RESTORED, "toms_restored", ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "what was erased may be back")
TOMS_REASON(FOREIGN_NODE, "toms_foreign_node", ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "this node is not one that works with this data")
TOMS_REASON(KEYRING, "toms_keyring", ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "the keyring cannot be used")
TOMS_REASON(EPOCH_MISSING, "toms_epoch_missing", ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "the key epoch is not there")
TOMS_REASON(AUDIT_UNAVAILABLE, "toms_audit_unavailable", ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, "the audit trail could not take it in")
TOMS_REASON(EPOCH_WRONG, "toms_epoch_wrong", ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "the key of the epoch is another one")
TOMS_REASON(EPOCH_DESTROYED, "toms_epoch_destroyed", ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "the key epoch has been destroyed")
