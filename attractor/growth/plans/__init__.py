"""Plans of growth: morphs and tests, checked, compared and kept."""
