raise SystemExit("not implemented")
