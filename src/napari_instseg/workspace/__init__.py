"""What the user is working on, without Qt: the image and how it is read, the model, parameters, results, jobs."""
