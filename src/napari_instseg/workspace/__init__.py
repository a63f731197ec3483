"""What the user is working on, without Qt: state, jobs, results."""
