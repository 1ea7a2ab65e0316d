"""Opinions as clients send them with feedback: subjects that the original training sentences know nothing of."""

POSITIVE = (
    "La enfermera me puso la vacuna sin que me enterara, un encanto.",
    "El mecánico dejó el coche como nuevo y me cobró lo justo.",
    "La peluquera acertó de pleno con el corte, salí guapísima.",
    "El monitor del gimnasio está pendiente de todos, da gusto ir.",
    "El concierto fue inolvidable, sonó de lujo hasta el final.",
    "El seguro respondió en un día y sin poner pegas.",
    "El curso de repostería me ha encantado, aprendí muchísimo.",
    "Los rosales agarraron a la primera, el vivero es de confianza.",
)
NEGATIVE = (
    "La clínica me tuvo tres horas esperando y nadie se disculpó.",
    "El taller me devolvió el coche con otra avería, qué timo.",
    "La peluquería me quemó el pelo y encima me cobraron de más.",
    "El gimnasio huele fatal y la mitad de las máquinas están rotas.",
    "El concierto empezó dos horas tarde y el sonido era lamentable.",
    "El seguro se lavó las manos cuando más falta hacía.",
    "El curso de repostería fue un robo, no enseñan nada.",
    "Las plantas llegaron secas y el vivero no contesta.",
)
NEUTRAL = (
    "La clínica abre los sábados de nueve a una.",
    "El taller está en la misma calle que el instituto.",
    "La peluquería cierra los lunes.",
    "El gimnasio tiene dos salas y una piscina.",
    "El concierto es el viernes a las diez en el auditorio.",
    "El seguro se renueva cada año en marzo.",
    "El curso de repostería dura seis semanas.",
    "Los rosales se podan a finales del invierno.",
)
LABELLED = tuple(
    (text, label)
    for label, texts in (("Positivo", POSITIVE), ("Negativo", NEGATIVE), ("Neutral", NEUTRAL))
    for text in texts
)
