"""Files that somebody asks for and a job makes: whose turn it is, how far it is, their pieces, their end after a day."""
