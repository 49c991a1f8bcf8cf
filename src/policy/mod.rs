//! Pure decisions: facts -> verdict with reasons. (SPF, DKIM, spam and retry live here.)
