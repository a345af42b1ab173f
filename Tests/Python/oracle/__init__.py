"""A second opinion: every equation of the library once more, in float64 NumPy and plain loops.

Nothing here is shared with the library, and nothing is clever. One sequence is computed at a time,
one timestep after the other; a timestep that does not count is simply not computed, so there are no
lengths, masks or batches inside the equations. Gradients follow from a tape.

    tape          numbers that remember how they were made
    activations   functions of one number, and softmax
    cell          what one timestep of any recurrent cell is made of
    rnn, lstm, gru, minimal, slstm
                  what each cell computes; cells has them by name
    recurrent     a cell over a sequence, in either direction or both
    attention, layers
                  everything else that a model is made of
    layer, parameters, compute
                  a layer as it was told to be, what it learns, what it gives
    network       a model: spelled in the notation, or computed here
    losses, clipping, optimizers, schedules
                  what training does with the result

Around it: `generate` and `traits` make problems; `conformance` reads the cases of other frameworks;
`library` runs the same problems through the Python package, and `telling` reads off what it drew at
random; `compare` judges.
"""
