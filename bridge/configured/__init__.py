"""From settings to the values that the parts take, a module for each subject of the settings file."""
