// What the application does about a refusal: the reason code is in the field that names a
// constraint, so that no text needs to be parsed.
import org.postgresql.util.PSQLException;

enum Refusal {
    NONE, RENEW, FORBIDDEN, SECOND_FACTOR, BUG;

    static Refusal of(Throwable e) {
        return switch (code(e)) {
        case "" -> NONE;
        case "toms_context_expired", "toms_token_replayed" -> RENEW;
        case "toms_tenant_unknown", "toms_tenant_ended", "toms_permission_missing", "toms_verb_not_permitted",
            "toms_purpose_not_permitted", "toms_row_other_tenant", "toms_row_other_subject" -> FORBIDDEN;
        case "toms_mfa_required" -> SECOND_FACTOR;
        default -> BUG; // ours, the minter's or the administrator's: log it, the hint says what to do
        };
    }

    // "" if it is not one of toms. The error of a batch, or of an ORM, holds PostgreSQL's as its cause.
    static String code(Throwable e) {
        for (Throwable cause = e; cause != null; cause = cause.getCause())
            if (cause instanceof PSQLException error && error.getServerErrorMessage() != null
                && String.valueOf(error.getServerErrorMessage().getConstraint()).startsWith("toms_"))
                return error.getServerErrorMessage().getConstraint();
        return "";
    }
}
