"""What suits the models of one provider; one file a provider."""
