//! What may be said when, in SMTP and submission.
