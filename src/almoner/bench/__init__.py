"""How fast Almoner is, beside what."""
