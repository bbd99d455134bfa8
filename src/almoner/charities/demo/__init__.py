"""The demo catalogue. Names, numbers and addresses are facts; the descriptions are our own."""
