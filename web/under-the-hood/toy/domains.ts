/**
 * The content words of the toy corpus: who does what, where, in thirteen fields of life. Within a domain every actor can do every deed
 * in every place, and the objects of one deed are near relatives of each other. All nouns are singular, so that "was" always agrees.
 * grammar.ts builds sentences from them.
 */

/** One action: its past tense, its participle, and the things it is done to. */
export interface Deed {
  readonly past: string;
  readonly participle: string;
  readonly objects: readonly string[];
}

/** A field of life with its own words. */
export interface Domain {
  readonly name: string;
  /** The relative pronoun for its actors: "who" for people, "that" for animals. */
  readonly relative: "who" | "that";
  readonly actors: readonly string[];
  readonly places: readonly string[];
  readonly deeds: readonly Deed[];
}

/** A verb whose past tense is also its participle. */
const regular = (past: string, ...objects: string[]): Deed => ({ past, participle: past, objects });

/** A verb with a separate participle. */
const irregular = (past: string, participle: string, ...objects: string[]): Deed => ({ past, participle, objects });

/** All domains, in the order of their numbers in a Meaning. */
export const DOMAINS: readonly Domain[] = [
  {
    name: "kitchen",
    relative: "who",
    actors: ["the pastry chef", "the head cook", "the kitchen maid", "the hungry guest", "the doting grandmother", "the village baker"],
    places: ["in the pantry", "beside the stove", "at the dinner table", "in the cellar"],
    deeds: [
      regular("peeled", "a bag of potatoes", "a red onion", "a bunch of carrots"),
      regular("baked", "a plum cake", "an apple tart", "a loaf of rye bread"),
      regular("stirred", "the tomato soup", "the mushroom sauce", "the vanilla custard"),
      regular("spilled", "a jug of milk", "a cup of flour", "a bowl of honey"),
      regular("burned", "the breakfast toast", "the cheese omelette", "the Sunday roast"),
    ],
  },
  {
    name: "music",
    relative: "who",
    actors: ["the shy violinist", "the jazz drummer", "the choir master", "the opera singer", "the street fiddler", "the piano teacher"],
    places: ["in the concert hall", "on the bandstand", "in the studio", "in the chapel"],
    deeds: [
      regular("tuned", "a borrowed cello", "a golden harp", "an antique guitar"),
      irregular("sang", "sung", "a sad ballad", "a wedding hymn", "a silly lullaby"),
      regular("composed", "a short waltz", "a string quartet", "a solemn march"),
      regular("rehearsed", "the final chorus", "the first symphony", "the comic duet"),
      regular("hummed", "a folk tune", "a catchy jingle", "a romantic melody"),
    ],
  },
  {
    name: "garden",
    relative: "who",
    actors: [
      "the head gardener",
      "the retired florist",
      "the nosy neighbour",
      "the gentle beekeeper",
      "the plant collector",
      "the landscape architect",
    ],
    places: ["behind the greenhouse", "by the fence", "under the cherry tree", "along the wall"],
    deeds: [
      regular("planted", "a row of tulips", "a bed of lavender", "a slender birch"),
      regular("watered", "the thirsty fern", "the tallest sunflower", "the potted orchid"),
      regular("pruned", "the climbing rose", "the wild ivy", "the blackberry bush"),
      irregular("dug", "dug", "a shallow pit", "a narrow ditch", "a deep hole"),
      regular("raked", "the gravel path", "a heap of leaves", "the mossy lawn"),
    ],
  },
  {
    name: "travel",
    relative: "who",
    actors: [
      "the curious tourist",
      "the train conductor",
      "the taxi driver",
      "the lost hiker",
      "the flight attendant",
      "the sunburnt backpacker",
    ],
    places: ["at the station", "near the border", "in the hotel lobby", "at the airport"],
    deeds: [
      regular("missed", "the morning ferry", "the express coach", "the mountain bus"),
      regular("packed", "a heavy suitcase", "a leather bag", "a canvas rucksack"),
      regular("booked", "a cheap hostel", "a guided tour", "a window seat"),
      regular("misplaced", "a foreign passport", "a return ticket", "a boarding card"),
      regular("photographed", "a grand cathedral", "a stone bridge", "a desert fortress"),
    ],
  },
  {
    name: "science",
    relative: "who",
    actors: [
      "the forgetful chemist",
      "the royal astronomer",
      "the physics professor",
      "the lab assistant",
      "the marine biologist",
      "the mad inventor",
    ],
    places: ["in the laboratory", "at the observatory", "in the lecture hall", "at the university"],
    deeds: [
      regular("measured", "the speed of sound", "the weight of an atom", "the pull of gravity"),
      regular("discovered", "a bright comet", "a distant planet", "an unnamed star"),
      regular("examined", "a frozen fossil", "a rare mineral", "a drop of pond water"),
      regular("calibrated", "the radio telescope", "the electron microscope", "the infrared laser"),
      regular("published", "a daring theory", "a mathematical proof", "a statistical model"),
    ],
  },
  {
    name: "sport",
    relative: "who",
    actors: [
      "the tall goalkeeper",
      "the champion swimmer",
      "the tennis coach",
      "the strict referee",
      "the marathon runner",
      "the team captain",
    ],
    places: ["in the stadium", "beside the pool", "on the field", "at the gymnasium"],
    deeds: [
      irregular("threw", "thrown", "a muddy football", "a wooden javelin", "a rubber discus"),
      irregular("won", "won", "a silver medal", "a crystal trophy", "a blue ribbon"),
      regular("celebrated", "a narrow victory", "a lucky goal", "a world record"),
      regular("practised", "a high dive", "a long jump", "a difficult somersault"),
      regular("snapped", "a badminton racket", "a hockey stick", "a ski pole"),
    ],
  },
  {
    name: "market",
    relative: "who",
    actors: [
      "the loud fishmonger",
      "the cheese seller",
      "the jolly butcher",
      "the fruit vendor",
      "the bargain hunter",
      "the thrifty widow",
    ],
    places: ["in the market", "under the awning", "behind the counter", "on the square"],
    deeds: [
      irregular("sold", "sold", "a crate of oranges", "a basket of figs", "a sack of walnuts"),
      regular("weighed", "a pound of shrimp", "a smoked trout", "a fresh salmon"),
      irregular("bought", "bought", "a wool blanket", "a silk scarf", "a linen apron"),
      regular("bartered", "a copper kettle", "a brass lamp", "a tin bucket"),
      regular("wrapped", "a slice of ham", "a string of sausages", "a leg of lamb"),
    ],
  },
  {
    name: "office",
    relative: "who",
    actors: [
      "the chief accountant",
      "the branch manager",
      "the weary secretary",
      "the new intern",
      "the company lawyer",
      "the polite receptionist",
    ],
    places: ["in the meeting room", "by the printer", "in the corridor", "at the front desk"],
    deeds: [
      regular("signed", "the rental contract", "a lasting agreement", "a business letter"),
      regular("printed", "the annual budget", "the monthly invoice", "the tax form"),
      regular("cancelled", "a staff party", "a job interview", "a conference call"),
      regular("mislaid", "a green folder", "a plastic stapler", "an ink cartridge"),
      regular("answered", "an angry email", "a customer complaint", "a telephone survey"),
    ],
  },
  {
    name: "weather",
    relative: "who",
    actors: [
      "the weather forecaster",
      "the lighthouse keeper",
      "the storm chaser",
      "the park ranger",
      "the radio announcer",
      "the daring balloonist",
    ],
    places: ["on the ridge", "from the watchtower", "on the coast", "from the cliff"],
    deeds: [
      regular("predicted", "a heavy snowfall", "a sudden frost", "a week of drizzle"),
      regular("watched", "a violet thunderstorm", "a spinning tornado", "a double rainbow"),
      regular("logged", "the strongest gust", "the hottest temperature", "the yearly rainfall"),
      regular("announced", "a flood warning", "a gale alert", "a heat wave"),
      regular("sketched", "a grey cloud", "a patch of fog", "a bolt of lightning"),
    ],
  },
  {
    name: "animals",
    relative: "that",
    actors: ["the sly fox", "the clever crow", "the sleepy bear", "the farm cat", "the tiny hedgehog", "the faithful sheepdog"],
    places: ["in the barn", "near the pond", "in the forest", "behind the chicken coop"],
    deeds: [
      regular("chased", "a brown rabbit", "a field mouse", "a yellow butterfly"),
      regular("buried", "a shiny acorn", "a chewed bone", "a dead beetle"),
      irregular("stole", "stolen", "a goose egg", "a warm sock", "a crust of pie"),
      regular("guarded", "a newborn calf", "a stray piglet", "a nest of owls"),
      regular("followed", "the milk cart", "the young postman", "a herd of goats"),
    ],
  },
  {
    name: "harbour",
    relative: "who",
    actors: [
      "the grumpy captain",
      "the bearded sailor",
      "the lonely fisherman",
      "the toothless pirate",
      "the dock worker",
      "the pearl diver",
    ],
    places: ["on the open sea", "in the harbour", "on the pier", "off the island"],
    deeds: [
      regular("mended", "a torn net", "a ragged sail", "a frayed rope"),
      irregular("caught", "caught", "a giant squid", "a spiny lobster", "a bucket of herring"),
      regular("steered", "a cargo vessel", "a rowing boat", "a bamboo raft"),
      regular("salvaged", "a treasure chest", "a sunken anchor", "a barrel of rum"),
      regular("scrubbed", "the upper deck", "the engine room", "the rusty hull"),
    ],
  },
  {
    name: "library",
    relative: "who",
    actors: [
      "the stern librarian",
      "the history student",
      "the penniless poet",
      "the expert bookbinder",
      "the school teacher",
      "the mystery novelist",
    ],
    places: ["in the reading room", "in the classroom", "between the shelves", "in the archive"],
    deeds: [
      regular("borrowed", "a thick dictionary", "an illustrated atlas", "a book of fairy tales"),
      irregular("wrote", "written", "a love sonnet", "a ghost story", "a philosophical essay"),
      regular("translated", "an ancient scroll", "a Latin verse", "a Greek legend"),
      regular("corrected", "a spelling mistake", "a geography exam", "a grammar exercise"),
      regular("memorised", "the Russian alphabet", "the periodic table", "the multiplication chart"),
    ],
  },
  {
    name: "workshop",
    relative: "who",
    actors: [
      "the master carpenter",
      "the strong blacksmith",
      "the Swiss clockmaker",
      "the dusty potter",
      "the humble shoemaker",
      "the famous glassblower",
    ],
    places: ["in the workshop", "in the shed", "beside the furnace", "at the workbench"],
    deeds: [
      irregular("built", "built", "a rocking chair", "a chess table", "a doll house"),
      regular("polished", "a marble statue", "an iron gate", "a diamond ring"),
      regular("repaired", "a cuckoo clock", "a pocket watch", "a toy train"),
      regular("sharpened", "a carving knife", "a dull axe", "a pair of scissors"),
      regular("varnished", "an oak door", "a picture frame", "a walking cane"),
    ],
  },
];
