"""The gift: form, giving, settling, showing."""
