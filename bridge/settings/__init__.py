"""Configuration: read once, checked whole, handed down narrow.

A module for each subject of the file. The default of a setting is here, its explanation in
`config/bridge.toml`; a test keeps the two equal.
"""
