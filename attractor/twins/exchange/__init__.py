"""One exchange with a provider twin: wire, reply, prompt cache."""
