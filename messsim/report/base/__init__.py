"""What all reports are made of: the terminal, tables, pages, pictures."""
