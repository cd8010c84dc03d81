"""How the weights of t2disc's segmenter are made: real and simulated images, augmentation, network, training, export."""
