"""From a price file to checked bars, features, segments and the market arrays."""
