"""Looking into a prediction: views, lens, why an object is as it is, what if a value were another, the plot."""
