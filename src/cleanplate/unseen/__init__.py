"""What no frame shows: made up once, and carried to the other frames."""
