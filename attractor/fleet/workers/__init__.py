"""Workers: processes that claim attempts and execute them."""
