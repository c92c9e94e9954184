"""What keys of well-known services look like."""

WELL_KNOWN: tuple[str, ...] = (
    # Each begins with letters as they are: so a long text is searched quickly.
    r"sk-[A-Za-z0-9_-]{20,}",
    r"AIza[A-Za-z0-9_-]{35}",
    r"AKIA[A-Z0-9]{16}(?![A-Z0-9])",
    r"ASIA[A-Z0-9]{16}(?![A-Z0-9])",
    r"gh[pousr]_[A-Za-z0-9]{36,}",
    r"github_pat_[A-Za-z0-9_]{22,}",
    r"glpat-[A-Za-z0-9_-]{20,}",
    r"xox[abprs]-[A-Za-z0-9-]{10,}",
    r"[sr]k_live_[A-Za-z0-9]{16,}",
    r"hf_[A-Za-z0-9]{30,}",
    r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]{1,20000}-----END [A-Z ]*PRIVATE KEY-----",
)
"""Patterns of keys: of models, clouds, code hosts, chats and payments, and private keys."""
