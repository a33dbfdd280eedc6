"""Everything there is at one moment: kept, indexed, written down whole, and when to look at it again."""
