"""What demos/evaluate.py measures of each kind of model, and some demos at their end.

scores          what is found, printed and stored as it comes
images          images in the features of a classifier, beside the floor
gans, encoders, diffusion, phrases, plane, translation, words
                the models of each kind; styles is what a StyleGAN's do
"""
