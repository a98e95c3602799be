"""What several test folders share: builders of small requests, and answers worked out without the solver."""
