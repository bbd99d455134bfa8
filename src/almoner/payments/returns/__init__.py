"""Money that is given back: promised first, then asked back until that is done."""
