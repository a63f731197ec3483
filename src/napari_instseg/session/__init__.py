"""What the user is working on, without Qt: the image, results, annotation, work in the background."""
