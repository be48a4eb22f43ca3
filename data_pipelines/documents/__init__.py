"""Reports as pages: what one is made of, and the forms that it takes."""
