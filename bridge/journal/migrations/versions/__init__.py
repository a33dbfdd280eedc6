"""One module for each step, numbered. A step that was released is never changed."""
